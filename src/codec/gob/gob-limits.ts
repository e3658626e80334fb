import { defaultLimits } from "../../wire/limits.ts";

/** What one gob stream may make its reader keep or do, and its writer define. */
export interface GobLimits {
  /** Bytes of one value with all of its messages: a message that fills the memory. */
  maxMessageBytes: number;
  /** Nesting of a value: a few hundred bytes that exhaust the stack. */
  maxDepth: number;
  /** Type definitions of one direction of a connection: a table that grows for ever. */
  maxTypes: number;
  /** Bytes of all type definitions together: few types with endless fields. */
  maxDefinitionBytes: number;
  /** Bytes of a field's name or of an interface value's type name. */
  maxNameBytes: number;
  /**
   * What the values of a stream may take beyond `cellsPerByte` times their
   * bytes, in cells of about 8 bytes: a struct of a thousand fields, all of
   * them zero, is one byte. Not for each value, since a chunk holds thousands.
   */
  freeCells: number;
  /** Cells that each byte of a value allows on top. */
  cellsPerByte: number;
  /** Free cells that were taken and that each byte read brings back. */
  refillCellsPerByte: number;
}

export const defaultGobLimits: Readonly<GobLimits> = {
  maxMessageBytes: defaultLimits.maxMessageBytes,
  maxDepth: defaultLimits.maxDepth,
  maxTypes: 1_024,
  maxDefinitionBytes: 1024 * 1024,
  maxNameBytes: 1_024,
  freeCells: 512 * 1024,
  cellsPerByte: 4,
  refillCellsPerByte: 16,
};
