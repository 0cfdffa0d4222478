import '@fontsource-variable/source-sans-3/wght.css';
import '@fontsource-variable/source-serif-4/wght.css';
import './styles/index.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { startSession } from './api/session';
import { App } from './app';
import { Queries } from './queries';

void startSession();

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Queries>
      <BrowserRouter>
        <App />
      </BrowserRouter>
    </Queries>
  </StrictMode>,
);
