/** Certificates: a learner's own, and the public question whether one is real. */
import { queryOptions } from '@tanstack/react-query';
import { ask } from './client';
import type { Certificate, FileVerification, Page, Verification } from './types';

/** Asks again every two seconds while a certificate is still being rendered. */
export const myCertificatesQuery = queryOptions({
  queryKey: ['certificates'],
  queryFn: async ({ signal }) => (await ask<Page<Certificate>>('/me/certificates', { query: { limit: 100 }, signal })).items,
  staleTime: 0,
  refetchInterval: (query) => (query.state.data?.some((c) => c.pdf_url == null) ? 2000 : false),
});

export const verificationQuery = (id: string) =>
  queryOptions({
    queryKey: ['verification', id],
    queryFn: ({ signal }) => ask<Verification>(`/certificates/${id}/verify`, { signal }),
    staleTime: 0,
  });

export function verifyFile(pdf: Blob): Promise<FileVerification> {
  return ask('/certificates/verify', { method: 'POST', body: pdf, headers: { 'content-type': 'application/pdf' } });
}
