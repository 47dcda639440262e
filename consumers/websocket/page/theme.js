// SPDX-License-Identifier: Apache-2.0
//
// Dark or light, before the first paint: no module, so that it runs in the head. As the system has
// it, until the person says otherwise; saying what the system says as well gives the choice back to
// it.

(() => {
  const system = matchMedia('(prefers-color-scheme: dark)');
  const systemTheme = () => system.matches ? 'dark' : 'light';
  const root = document.documentElement;
  const apply = () => { root.dataset.theme = localStorage.getItem('theme') ?? systemTheme(); };

  const toggle = () => {
    const wanted = root.dataset.theme === 'dark' ? 'light' : 'dark';
    if (wanted === systemTheme()) localStorage.removeItem('theme');
    else localStorage.setItem('theme', wanted);
    apply();
  };
  system.addEventListener('change', apply);
  window.addEventListener('storage', apply);
  document.addEventListener('DOMContentLoaded', () => {
    document.getElementById('theme').addEventListener('click', toggle);
  });
  document.addEventListener('keydown', ({key, ctrlKey, altKey, metaKey, target}) => {
    if (key.toLowerCase() !== 'd' || ctrlKey || altKey || metaKey || target.matches?.('select')) return;
    toggle();
  });
  apply();
})();
