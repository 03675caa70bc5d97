"use strict";
// Who takes part: named by the address, remembered by this browser, or drawn.

const Participant = (() => {
  // A name as file systems take it; one that had to be changed stays apart from others.
  function plain(name) {
    const kept = name.replace(/[^A-Za-z0-9]+/g, "-").slice(0, 40);
    return kept === name ? name : `${kept.slice(0, 31)}-${Order.hash(name).toString(36)}`;
  }

  const place = (design) => `synthesight/${design.id}/participant`;

  function remembered(design) {
    try {
      return localStorage.getItem(place(design));
    } catch {
      return null;
    }
  }

  function remember(design, name) {
    try {
      if (name === null) localStorage.removeItem(place(design));
      else localStorage.setItem(place(design), name);
    } catch {
      // Then a closed page cannot be gone on with.
    }
  }

  const drawn = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => (byte % 36).toString(36)).join("");

  return { plain, remembered, remember, drawn };
})();
