/**
 * The portal's outline set in CoreUI's own icon format, so that `CIcon` draws
 * it: one grid of 24, one stroke of 1.8, round ends. CoreUI's free icons are
 * filled shapes of a thinner line and do not sit with our type.
 */

type IconData = [size: string, content: string];

function outline(...paths: string[]): IconData {
  const shapes = paths.map((path) => `<path d="${path}"/>`).join('');
  const style = 'fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"';
  return ['24 24', `<g ${style}>${shapes}</g>`];
}

const circle = (x: number, y: number, r: number) => `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;

const HANDSET = 'M8.2 4.2 6 4a2 2 0 0 0-2 2.2C4.7 13.6 10.4 19.3 17.8 20A2 2 0 0 0 20 18l-.2-2.2a1.5 1.5 0 0 0-1-1.3l-2.6-.8a1.5 1.5 0 0 0-1.5.4l-1.1 1.1a12 12 0 0 1-4.8-4.8l1.1-1.1a1.5 1.5 0 0 0 .4-1.5l-.8-2.6a1.5 1.5 0 0 0-1.3-1Z';

export const iconMessage = outline('M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H9l-5 4.5Z');
export const iconPhone = outline(HANDSET);
export const iconPeople = outline(circle(9.5, 8, 3.5), 'M3 20c.3-3.6 2.9-6 6.5-6s6.2 2.4 6.5 6', 'M15.5 4.8a3.5 3.5 0 0 1 0 6.4', 'M18 14.6c1.8.9 2.9 2.8 3 5.4');
export const iconHeadset = outline('M4 15v-3a8 8 0 0 1 16 0v3', 'M4 14.5A1.5 1.5 0 0 1 5.5 13h1A1.5 1.5 0 0 1 8 14.5v4A1.5 1.5 0 0 1 6.5 20h-1A1.5 1.5 0 0 1 4 18.5Z', 'M16 14.5a1.5 1.5 0 0 1 1.5-1.5h1a1.5 1.5 0 0 1 1.5 1.5v4a1.5 1.5 0 0 1-1.5 1.5h-1a1.5 1.5 0 0 1-1.5-1.5Z');
export const iconBell = outline('M6 10a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4S6 15 6 10Z', 'M10 20a2.2 2.2 0 0 0 4 0');
export const iconSearch = outline(circle(11, 11, 6.5), 'm20 20-4.4-4.4');
export const iconVideo = outline('M3 8a2 2 0 0 1 2-2h8.5a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2Z', 'm15.5 10.5 5.5-3v9l-5.5-3Z');
export const iconMicrophone = outline('M9 6.5a3 3 0 0 1 6 0V12a3 3 0 0 1-6 0Z', 'M5.5 11.5a6.5 6.5 0 0 0 13 0', 'M12 18v3');
export const iconScreen = outline('M3 6a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v8.5a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2Z', 'M8.5 20.5h7M12 16.5v4', 'm9.5 10.5 2.5-2.5 2.5 2.5M12 8v5');
export const iconGear = outline('M4 7h9M17 7h3M4 17h3M11 17h9', circle(15, 7, 2), circle(9, 17, 2));
export const iconExpand = outline('M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5');
export const iconShrink = outline('M4 9h5V4M20 9h-5V4M4 15h5v5M20 15h-5v5');
export const iconMinimise = outline('M4 6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v6', 'M4 6v12a2 2 0 0 0 2 2h5', 'M14 17a1 1 0 0 1 1-1h5a1 1 0 0 1 1 1v3a1 1 0 0 1-1 1h-5a1 1 0 0 1-1-1Z');
export const iconClip = outline('m19.5 11.5-7.6 7.6a4.7 4.7 0 0 1-6.7-6.7l8.2-8.2a3.1 3.1 0 0 1 4.5 4.4l-8 8a1.6 1.6 0 0 1-2.3-2.2l7.2-7.3');
export const iconSend = outline('M4.5 11.5 20 4l-5.5 16-3.5-6.5Z', 'M11 13.5 20 4');
export const iconNote = outline('M5 6a2 2 0 0 1 2-2h10a2 2 0 0 1 2 2v8l-6 6H7a2 2 0 0 1-2-2Z', 'M19 14h-4a2 2 0 0 0-2 2v4', 'M9 9h6M9 12.5h3');
export const iconClose = outline('M6 6l12 12M18 6 6 18');
export const iconCheck = outline('m5 12.5 4.5 4.5L19 7.5');
export const iconMore = outline('M5 12h.01M12 12h.01M19 12h.01');
export const iconExit = outline('M14 4H7a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h7', 'M10.5 12H21M17.5 8.5 21 12l-3.5 3.5');
export const iconMenu = outline('M4 7h16M4 12h16M4 17h16');
export const iconBack = outline('M20 12H5M11 6l-6 6 6 6');
export const iconDown = outline('M12 5v14M6 13l6 6 6-6');
export const iconPrevious = outline('m14.5 5.5-6.5 6.5 6.5 6.5');
export const iconNext = outline('m9.5 5.5 6.5 6.5-6.5 6.5');
export const iconDownload = outline('M12 4v11M7.5 11l4.5 4.5 4.5-4.5M5 20h14');
export const iconFile = outline('M6 5a2 2 0 0 1 2-2h6l5 5v11a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2Z', 'M14 3v5h5M9.5 13h6M9.5 16.5h4');
export const iconImage = outline('M4 6a2 2 0 0 1 2-2h12a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2Z', circle(9, 9.5, 1.5), 'm4.5 17.5 5-4.5 3.5 3 3-2.5 4 3.5');
export const iconCard = outline('M3 7a2 2 0 0 1 2-2h14a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2Z', circle(8.5, 10.5, 2), 'M5.5 16c.3-1.6 1.5-2.5 3-2.5s2.7.9 3 2.5', 'M14.5 10h3.5M14.5 14h3.5');
export const iconInbox = outline('M4 13.5 6.5 6a2 2 0 0 1 1.9-1.4h7.2A2 2 0 0 1 17.5 6l2.5 7.5V18a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2Z', 'M4 13.5h4.5l1.5 2.5h4l1.5-2.5H20');
export const iconLock = outline('M6 12a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H8a2 2 0 0 1-2-2Z', 'M8.5 10V8a3.5 3.5 0 0 1 7 0v2');
export const iconTaken = outline(circle(10, 8, 3.5), 'M3.5 20c.3-3.6 2.9-6 6.5-6 1.2 0 2.3.3 3.2.7', 'm15 18 2 2 4-4.5');
export const iconWarning = outline('M12 4.5 3.5 19h17Z', 'M12 10v4M12 16.6v.01');
export const iconHand = outline('M7 12V6.2a1.6 1.6 0 0 1 3.2 0V11M10.2 10.5V4.6a1.6 1.6 0 0 1 3.2 0v5.9M13.4 10.8V6a1.6 1.6 0 0 1 3.2 0v8.2', 'M16.6 10.4a1.6 1.6 0 0 1 3.2 0V14c0 4.2-2.6 7-6.6 7-3 0-4.6-1.2-6.3-3.9L4.4 13a1.6 1.6 0 0 1 2.6-1.8L8.6 13');
export const iconEar = outline('M6.5 9.5a5.5 5.5 0 0 1 11 0c0 3.6-3.2 4.2-3.2 7.2a3.3 3.3 0 0 1-6 1.9', 'M9.5 9.8a2.5 2.5 0 0 1 5 0c0 1.7-1.9 2-1.9 3.4');
export const iconReply = outline('M9.5 5.5 4 11l5.5 5.5', 'M4 11h9a7 7 0 0 1 7 7v1');
export const iconCopy = outline('M8 9a2 2 0 0 1 2-2h8a2 2 0 0 1 2 2v10a2 2 0 0 1-2 2h-8a2 2 0 0 1-2-2Z', 'M16 7V5a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v10a2 2 0 0 0 2 2h2');
export const iconEdit = outline('m4 20 1-4.5L16.2 4.3a2 2 0 0 1 2.8 0l.7.7a2 2 0 0 1 0 2.8L8.5 19Z', 'm14.5 6 3.5 3.5');
export const iconTrash = outline('M4.5 7h15M9.5 7V5a1.5 1.5 0 0 1 1.5-1.5h2A1.5 1.5 0 0 1 14.5 5v2', 'M6.5 7l.8 11.2A2 2 0 0 0 9.3 20h5.4a2 2 0 0 0 2-1.8L17.5 7M10 11v5M14 11v5');
export const iconUp = outline('m5.5 14.5 6.5-6.5 6.5 6.5');
export const iconForbidden = outline(circle(12, 12, 8.5), 'm6.2 6.2 11.6 11.6');
export const iconPlus = outline('M12 5v14M5 12h14');
export const iconCompass = outline(circle(12, 12, 8.5), 'm15.5 8.5-2 5-5 2 2-5Z');
