/** The files of a drop or a paste, also those inside dropped folders. */

export async function filesOf(transfer: DataTransfer): Promise<File[]> {
  // the list is emptied when the event ends, so everything is taken from it before the first wait
  const entries = [...transfer.items].filter((item) => item.kind === 'file').map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  const found = await Promise.all(entries.map((entry) => (entry === null ? [] : entry instanceof File ? [entry] : inside(entry))));
  return found.flat();
}

async function inside(entry: FileSystemEntry): Promise<File[]> {
  if (entry.isFile) return [await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))];
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: File[] = [];
  for (;;) {
    // a reader gives a hundred entries at a time, and none at the end
    const batch = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) return files;
    for (const child of batch) files.push(...(await inside(child)));
  }
}
