import type { Etcd } from "../support/etcd.ts";
import { RegistryProcess } from "./registry-process.ts";

const registryCount = 3;

/** Registries that are one, on one etcd. */
export async function startOnEtcd({
  endpoints,
}: Etcd): Promise<readonly RegistryProcess[]> {
  const hosts = endpoints.map((endpoint) => new URL(endpoint).host);
  const flags = [`--store=etcd://${hosts.join()}/faults`];
  return await Promise.all(
    Array.from({ length: registryCount }, () => RegistryProcess.start(flags)),
  );
}

/** What may become of them; disposing of it ends it. */
export interface EtcdFault {
  readonly name: string;
  begin(
    etcd: Etcd,
    registries: readonly RegistryProcess[],
  ): Promise<AsyncDisposable>;
}

export const etcdFaults: readonly EtcdFault[] = [
  {
    name: "etcd's leader killed",
    async begin(etcd) {
      const leader = await etcd.leader();
      await leader.kill();
      return { [Symbol.asyncDispose]: async () => leader.start() };
    },
  },
  {
    name: "etcd's leader stopped",
    async begin(etcd) {
      const leader = await etcd.leader();
      leader.stop();
      return { [Symbol.asyncDispose]: async () => leader.continue() };
    },
  },
  ...Array.from({ length: registryCount }, (_, i) => registryKilled(i)),
];

function registryKilled(index: number): EtcdFault {
  return {
    name: `registry ${index + 1} killed`,
    async begin(_, registries) {
      const registry = registries[index];
      await registry?.kill();
      return { [Symbol.asyncDispose]: async () => registry?.restart() };
    },
  };
}
