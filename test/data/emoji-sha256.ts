/** SHA-256 of the emoji's pictures, labels, names and split, as they were when the icons were first drawn. */
export const emojiSha256 = {
  32: 'f5cf93080ebf8b307e9c74a550fe5275b2fac95d38284c5fb61daf3bbbadaee0',
  64: '221e9e1a5c722268e1488a7515a1c76090bccdc2837a1fd0821a8b5bafab80b8',
};
