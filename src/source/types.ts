/** The types of the source room: what can be asked for, what comes back, and what an entry of the forms table is. */
import type { Context, StageLog } from "../context.ts";
import type { DownloadLimits } from "../host/download.ts";

export type SourceName = "linux" | "busybox";

/**
 * Upstream code that has been fetched and proved, but not unpacked. `version` as its Makefile or package says it,
 * `form` as it was asked for, `origin` where it came from in words, `verifiedBy` what proves it in words.
 */
export interface Source {
  readonly name: SourceName;
  readonly version: string;
  readonly form: string;
  readonly origin: string;
  /** Identity of the content, lower-case hex: goes into every key. An archive's own hash, or a hash over a tree. */
  readonly sha256: string;
  readonly verifiedBy: string;
  /**
   * Puts the pristine tree into `into` (an existing empty folder): its files directly in it, no leading component.
   * @throws Failure `source-rejected` (hostile or damaged archive), `disk-full`, `missing-program`, `host-failed`;
   *   `into` is empty again then
   */
  unpack(into: string, log: StageLog): Promise<void>;
}

/** What was asked for, JSON-able. One member for each entry of the forms table. */
export type SourceRequest = AutoRequest | AptRequest | PathRequest | ReleaseRequest;

export interface AutoRequest {
  readonly form: "auto";
  readonly name: SourceName;
  readonly text: string;
}
/** `suite` missing: all of the distribution's suites that this machine's apt is set up for. */
export interface AptRequest {
  readonly form: "apt";
  readonly name: SourceName;
  readonly text: string;
  readonly suite?: string;
}
/** A folder or an archive: which of the two is seen when it is opened. `sha256`: of the archive. */
export interface PathRequest {
  readonly form: "path";
  readonly name: SourceName;
  readonly text: string;
  readonly path: string;
  readonly sha256?: string;
}
export interface ReleaseRequest {
  readonly form: "release";
  readonly name: SourceName;
  readonly text: string;
  readonly version: string;
}

export interface SourcePolicy {
  /** Whether `auto` may take the distribution's package when no upstream can be reached (in a terminal: yes). */
  readonly distributionFallback: boolean;
  /** Base URLs that stand in for the table of mirrors, each ending in "/"; tests hand in a loopback server's. */
  readonly mirrors?: Readonly<Record<SourceName, readonly string[]>>;
  /** Time limits of downloads other than the usual ones; for tests. */
  readonly limits?: Partial<DownloadLimits>;
}

/** One way of naming a source: how it is written, how it is recognised, how it is got. */
export interface SourceForm<R extends SourceRequest = SourceRequest> {
  readonly form: R["form"];
  /** As in the documentation and in error messages. */
  readonly syntax: string;
  /** Words for the nearest-value search of an error message. */
  words(name: SourceName): readonly string[];
  /** The request, or undefined when the text is not of this form. Pure. @throws Failure `bad-request` */
  parse(name: SourceName, text: string): R | undefined;
  obtain(request: R, policy: SourcePolicy, context: Context, log: StageLog): Promise<Source>;
}
