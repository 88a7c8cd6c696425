/** vital.js without its sentences: a verdict's `text` is its cause and its code. */
export { Vital } from './vital.js';
