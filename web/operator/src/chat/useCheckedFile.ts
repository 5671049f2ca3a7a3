import type { FileView } from '@housecall/sdk';
import { useEffect, useState } from 'react';

import { useHouse } from '../api/house';

/** The file as it stands: one that is being checked becomes what the scanner says of it. */
export function useCheckedFile(file: FileView): FileView {
  const { files } = useHouse();
  const [settled, setSettled] = useState<FileView>();
  useEffect(() => files.watch(file, setSettled), [files, file]);
  return settled?.id === file.id ? settled : file;
}
