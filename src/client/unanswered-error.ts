import { RpcError } from "../errors.ts";

/**
 * The server closed the connection in order and without a byte: what the
 * original does when it does not know the codec. Nothing has run. A reset is
 * no such close: any server may be cut while it is dialled.
 */
export class UnansweredError extends RpcError {
  constructor(message: string) {
    super("unavailable", `${message} without a byte: is it a geerpc server?`, {
      sent: false,
    });
  }
}
