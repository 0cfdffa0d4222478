/** Which of the caption files is shown: what was chosen here, else what this browser chose before, else the visitor's own language. */
import { useState } from 'react';
import { preferences } from '../../preferences';
import type { CaptionFile } from './use-captions';

export function useChosenCaptions(files: CaptionFile[]) {
  const [id, setId] = useState<string | null>(null);
  const chosen = files.find((file) => file.id === id) ?? preferred(files, [preferences.language.read(), navigator.language.slice(0, 2)]);
  function choose(file: CaptionFile) {
    if (file.language != null) preferences.language.write(file.language);
    setId(file.id);
  }
  return [chosen, choose] as const;
}

/** The first file in the first of these languages that there is, else the first file. */
export function preferred(files: CaptionFile[], languages: string[]): CaptionFile | null {
  for (const language of languages.filter((one) => one !== '')) {
    const match = files.find((file) => file.language?.startsWith(language));
    if (match) return match;
  }
  return files[0] ?? null;
}
