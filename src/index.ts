// For those who write and call services

export { selectModes } from "./balance/select-mode.ts";
export { Call } from "./session/call.ts";
export { Client } from "./client/client.ts";
export type { ClientOptions } from "./client/options.ts";
export type { CallOptions, NotifyOptions } from "./service/call-options.ts";
export type { Remote, RemoteMethod, RemoteService } from "./service/remote.ts";
export { type Code, codes, RpcError, type RpcErrorOptions } from "./errors.ts";
export type { LeaseExtension, OnEvent, RpcEvent } from "./events.ts";
export { type Pair, type PairOptions, pair } from "./pair.ts";
export {
  type Heartbeat,
  type HeartbeatOptions,
  heartbeat,
  type Registrant,
} from "./registry/heartbeat.ts";
export { type EtcdTarget, parseEtcdUrl } from "./registry/etcd-keys.ts";
export { EtcdStore, type EtcdStoreOptions } from "./registry/etcd-store.ts";
export { Registry, type RegistryOptions } from "./registry/registry.ts";
export {
  SqliteStore,
  type SqliteStoreOptions,
} from "./registry/sqlite-store.ts";
export { Server, type ServerOptions } from "./server/server.ts";
export type { AdaptiveLimitOptions } from "./service/adaptive-limit-option.ts";
export { currentCall, detach } from "./service/call-context.ts";
export type { Context, Peer } from "./service/context.ts";
export type {
  ClientCall,
  InterceptedCall,
  Interceptor,
  Next,
  ServerCall,
} from "./service/interceptor.ts";
export type { MethodOptions } from "./service/method.ts";
export {
  type Declaring,
  errorOf,
  failure,
  type ServiceError,
} from "./service/service-error.ts";
export type { ReplyStream, StreamCall } from "./service/stream-call.ts";
export type { ServiceDeclaration, ServiceOptions } from "./service/services.ts";
export type { KeepAliveOptions } from "./session/keepalive.ts";
export { defaultLimits, type Limits } from "./wire/limits.ts";
export type { Metadata } from "./wire/metadata.ts";
export { type ConnectOptions, connect } from "./xclient/connect.ts";
export type { Settled } from "./xclient/broadcast.ts";
export { type Attempt, CallError } from "./xclient/call-error.ts";
export type { XCallOptions } from "./xclient/call-options.ts";
export type { HedgeOptions } from "./xclient/hedging.ts";
export type { XRemote } from "./xclient/remote.ts";
export { XClient, type XClientOptions } from "./xclient/xclient.ts";

// For those who extend geerpc

export { ConsistentHashPicker } from "./balance/consistent-hash.ts";
export { LeastLoadedPicker } from "./balance/least-loaded.ts";
export {
  type CallOutcome,
  nobodyError,
  type PickedCall,
  type Picker,
  type PickerFactory,
} from "./balance/picker.ts";
export { RandomPicker } from "./balance/random.ts";
export { RoundRobinPicker } from "./balance/round-robin.ts";
export { createPicker, registerPicker } from "./balance/select-mode.ts";
export { WeightedPicker } from "./balance/weighted.ts";
export { ZonePicker } from "./balance/zone.ts";
export { type Clock, systemClock, type Timer } from "./base/clock.ts";
export type { Random } from "./base/random.ts";
export { type BodyEncoding, registerBody } from "./codec/binary/body.ts";
export { Complex } from "./codec/gob/complex.ts";
export { type GobFields, gob } from "./codec/gob/gob.ts";
export { GobNamed } from "./codec/gob/gob-named.ts";
export { GobTime } from "./codec/gob/gob-time.ts";
export { GobRegistry } from "./codec/gob/gob-registry.ts";
export type { GobType } from "./codec/gob/gob-type.ts";
export type { Inferences } from "./codec/gob/inferences.ts";
export type { OpaqueCodec, OpaqueEncoding } from "./codec/gob/opaque-type.ts";
export { parseGobType } from "./codec/gob/parse-gob-type.ts";
export type {
  AmbiguousType,
  Codec,
  CodecContext,
  CodecFactory,
  CodecFeatures,
  Compression,
  DeclaredTypes,
  Form,
  Inbound,
  RequestHead,
  SessionMessages,
  Settings,
} from "./codec/codec.ts";
export { codecTypes, registerCodec } from "./codec/table.ts";
export {
  type Discovery,
  type Endpoint,
  endpointList,
} from "./discovery/discovery.ts";
export {
  DnsDiscovery,
  type DnsDiscoveryOptions,
  type DnsResolver,
  type SrvRecord,
} from "./discovery/dns.ts";
export { EtcdDiscovery, type EtcdDiscoveryOptions } from "./discovery/etcd.ts";
export {
  FileDiscovery,
  type FileDiscoveryOptions,
  type WatchFolder,
} from "./discovery/file.ts";
export { type DiscoveryOptions, openDiscovery } from "./discovery/open.ts";
export type { PollOptions } from "./discovery/polled-list.ts";
export {
  RegistryDiscovery,
  type RegistryDiscoveryOptions,
} from "./discovery/registry.ts";
export { StaticDiscovery } from "./discovery/static.ts";
export type { Description } from "./registry/description.ts";
export {
  LoadMeter,
  type LoadMeterOptions,
  type LoadProbes,
} from "./registry/load-meter.ts";
export {
  type Change,
  defaultLeaseLimits,
  type LeaseLimits,
  type Registration,
  type RemovalReason,
} from "./registry/lease-table.ts";
export type { Fetch } from "./registry/request.ts";
export {
  type ListedServer,
  type Listing,
  MemoryStore,
  type Store,
} from "./registry/store.ts";
export type { Dial } from "./xclient/client-pool.ts";
export { memoryPipe } from "./transport/memory.ts";
export type { Pipe, PipeHandler } from "./transport/pipe.ts";
export { SendBuffer } from "./wire/send-buffer.ts";
