type Args = { A: number; B: number };

export class Arith {
  Sum({ A, B }: Args) {
    return A + B;
  }
  Divide({ A, B }: Args) {
    if (B === 0) throw new Error("divide by zero");
    return { Quo: Math.trunc(A / B), Rem: A % B };
  }
}
