/** A style sheet is imported as its text, which build.js has minified. */
declare module '*.css' {
  const text: string;
  export default text;
}
