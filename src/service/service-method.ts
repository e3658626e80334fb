/** A call's name in its two parts. */
export interface ServiceMethod {
  /** Never empty; may have dots of its own. */
  readonly service: string;
  readonly method: string;
}

/**
 * Splits `Service.Method` at its last dot; undefined where no service stands
 * before it, which both ends call ill-formed (`invalid_argument`). A method
 * without a name is one that no service has.
 */
export function splitServiceMethod(
  serviceMethod: string,
): ServiceMethod | undefined {
  const dot = serviceMethod.lastIndexOf(".");
  if (dot < 1) return undefined;
  return {
    service: serviceMethod.slice(0, dot),
    method: serviceMethod.slice(dot + 1),
  };
}
