/** pdf.js, set up for a page whose policy allows neither eval nor WebAssembly, with all of its data at our own address. */
import * as pdfjs from 'pdfjs-dist';
import worker from 'pdfjs-dist/build/pdf.worker.min.mjs?url';

pdfjs.GlobalWorkerOptions.workerSrc = worker;

export type Pdf = pdfjs.PDFDocumentProxy;
export type PdfTask = pdfjs.PDFDocumentLoadingTask;
export type PdfPage = pdfjs.PDFPageProxy;
export const { TextLayer } = pdfjs;

/** Opens a PDF by its address; pages are fetched by range as they are needed. */
export function openPdf(url: string): PdfTask {
  return pdfjs.getDocument({
    url,
    cMapUrl: '/pdf/cmaps/',
    cMapPacked: true,
    standardFontDataUrl: '/pdf/standard_fonts/',
    wasmUrl: '/pdf/wasm/',
    useWasm: false,
    isEvalSupported: false,
    enableXfa: false,
  });
}
