// Sets the chosen theme before the first paint; src/theme.ts changes it later. A file of its own, since the policy
// of the pages forbids inline scripts.
try {
  const theme = localStorage.getItem('learnhub.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // storage is closed to us: the system's choice stays
}
