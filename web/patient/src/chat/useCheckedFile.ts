import type { FileView } from '@housecall/sdk';
import { useEffect, useState } from 'react';

import { housecall } from '../app/client';

/** The file as it stands: one that is being checked becomes what the scanner says of it. */
export function useCheckedFile(file: FileView): FileView {
  const [settled, setSettled] = useState<FileView>();
  useEffect(() => housecall.files.watch(file, setSettled), [file]);
  return settled?.id === file.id ? settled : file;
}
