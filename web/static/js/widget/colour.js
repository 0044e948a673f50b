// The widget in the colour that an admin has chosen, whatever that is: what is written on it, and what is written in
// it, can be read (4.5:1).

const LEAST = 4.5;
const INK = "#1b1f1d";
const WHITE = "#ffffff";
const SURFACES = { light: "#fffdf8", dark: "#1b1f23" }; // --surface in tokens.css

/**
 * @param {string} colour  #rrggbb
 * @returns {{ brand: string, onBrand: string, strong: string, onLight: string, onDark: string }} the colour, what is
 *   written on it, and the colour where it is pressed; the colour as that of text on a light and on a dark ground
 */
export function brandColours(colour) {
  const chosen = /^#[0-9a-f]{6}$/i.test(colour) ? colour : INK;
  // White is what one expects on a colour; light colours need ink, and those in between are made a little darker.
  const onBrand = contrast(chosen, WHITE) < 3 && contrast(chosen, INK) >= LEAST ? INK : WHITE;
  const brand = corrected(chosen, onBrand);
  return {
    brand,
    onBrand,
    strong: mix(brand, onBrand === WHITE ? "#000000" : WHITE, 0.15),
    onLight: corrected(chosen, SURFACES.light),
    onDark: corrected(chosen, SURFACES.dark),
  };
}

/**
 * How well one colour can be told from another, 1 to 21 (WCAG 2).
 * @param {string} one
 * @param {string} other
 */
export function contrast(one, other) {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/**
 * The colour, as much darker or lighter as it must be beside `other`.
 * @param {string} colour
 * @param {string} other
 */
function corrected(colour, other) {
  const end = luminance(other) > 0.18 ? "#000000" : WHITE;
  for (let share = 0; share < 100; share += 2) {
    const mixed = mix(colour, end, share / 100);
    if (contrast(mixed, other) >= LEAST) return mixed;
  }
  return end;
}

/** @param {string} colour */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = parts(colour).map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/**
 * @param {string} colour
 * @param {string} other
 * @param {number} share  of the other
 */
function mix(colour, other, share) {
  const others = parts(other);
  const mixed = parts(colour).map((part, place) => Math.round(part + ((others[place] ?? 0) - part) * share));
  return `#${mixed.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** @param {string} colour */
function parts(colour) {
  return [1, 3, 5].map((place) => parseInt(colour.slice(place, place + 2), 16));
}
