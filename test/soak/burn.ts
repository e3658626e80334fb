/** A service whose calls are work for the processor. */
export class Burn {
  burn(rounds: number): number {
    return burn(rounds);
  }
}

/** So many rounds of a loop that nothing can be left out of. */
export function burn(rounds: number): number {
  let state = 1;
  for (let round = 0; round < rounds; round++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  return state;
}
