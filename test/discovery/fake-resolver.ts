import type { DnsResolver, SrvRecord } from "../../src/discovery/dns.ts";

/** DNS without a network: what it is asked is written down. */
export class FakeResolver implements DnsResolver {
  readonly asked: string[] = [];
  addressesOf: () => Promise<string[]> = async () => [];
  servicesOf: () => Promise<SrvRecord[]> = async () => [];

  async addresses(host: string): Promise<string[]> {
    this.asked.push(host);
    return this.addressesOf();
  }

  async services(name: string): Promise<SrvRecord[]> {
    this.asked.push(`SRV ${name}`);
    return this.servicesOf();
  }
}

/** As the system's resolver fails where there is no such name. */
export async function noSuchName(): Promise<never> {
  const error = new Error("getaddrinfo ENOTFOUND");
  throw Object.assign(error, { code: "ENOTFOUND" });
}
