/** A whole HTTP answer of one line of text, after which the connection ends. */
export function closingAnswer(status: string, text: string): Uint8Array {
  const body = `${text}\n`;
  return Buffer.from(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
