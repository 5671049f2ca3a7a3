/** The client side of Housecall without any interface: sign-in, realtime, chat, calls, files. */
export const PROTOCOL_VERSION = 1;
