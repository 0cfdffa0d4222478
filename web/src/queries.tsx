/** The cache of answers. Each account has its own, so that nobody ever sees what the one before was shown. */
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { type ReactNode, useMemo } from 'react';
import { worthRetrying } from './api/client';
import { useSession } from './api/session';

export function Queries({ children }: { children: ReactNode }) {
  const session = useSession();
  const account = session.status === 'in' ? session.account.id : null;
  // the account is not used by what is made, but another account means another cache
  const client = useMemo(newClient, [account]);
  return <QueryClientProvider client={client}>{children}</QueryClientProvider>;
}

function newClient(): QueryClient {
  return new QueryClient({
    defaultOptions: { queries: { retry: worthRetrying, staleTime: 5_000 }, mutations: { retry: false } },
  });
}
