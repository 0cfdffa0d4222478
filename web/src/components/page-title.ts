import { useEffect } from 'react';

/** Names the browser's tab after what the page shows. */
export function usePageTitle(title: string | null | undefined): void {
  useEffect(() => {
    document.title = title ? `${title} · learnhub` : 'learnhub';
  }, [title]);
}
