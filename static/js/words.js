// Translations of the words that scripts say. The catalog is loaded before the modules;
// pages without one, such as those of tests, speak English.

const catalog = window.django ?? {};

export const gettext = catalog.gettext ?? ((text) => text);
export const ngettext = catalog.ngettext ?? ((one, many, count) => (count === 1 ? one : many));

// Fills the %(name)s of a translated text.
export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (_, name) => values[name]);
}
