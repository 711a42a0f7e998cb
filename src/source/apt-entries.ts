/**
 * The machine's own apt sources, read as data (sources.list(5): the one-line form and deb822), and what a private apt
 * configuration is made of. Pure. No host name stands in here: an archive is what the machine's own lines say.
 */

export interface AptEntry {
  readonly uris: readonly string[];
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** Options that decide whom to trust and how to fetch, under their deb822 names; a key in place keeps its lines. */
  readonly options: Readonly<Record<string, string>>;
}

/** Options that are kept: trust and validity. Architectures and languages are ours to choose. */
const keptOptions: Readonly<Record<string, string>> = {
  "signed-by": "Signed-By",
  trusted: "Trusted",
  "check-valid-until": "Check-Valid-Until",
  "check-date": "Check-Date",
  "allow-insecure": "Allow-Insecure",
  "allow-weak": "Allow-Weak",
};

/** The entries of one file: deb822 when its name ends in `.sources`, one-line otherwise. Broken lines are left out. */
export function parseAptEntries(fileName: string, text: string): AptEntry[] {
  return fileName.endsWith(".sources") ? parseStanzas(text) : parseLines(text);
}

function parseLines(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  for (const line of text.split("\n")) {
    const match = /^\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*([^#]*)/.exec(line);
    if (!match) continue;
    const options: Record<string, string> = {};
    for (const [, key, value] of (match[1] ?? "").matchAll(/([\w-]+)=(\S+)/g)) keep(options, key!, value!);
    entries.push({ uris: [match[2]!], suites: [match[3]!], components: words(match[4]!), options });
  }
  return entries;
}

function parseStanzas(text: string): AptEntry[] {
  const entries: AptEntry[] = [];
  const lines = text.split("\n").filter((line) => !line.startsWith("#"));
  for (const stanza of lines.join("\n").split(/\n\s*\n/)) {
    const fields: Record<string, string> = {};
    for (const [, key, value] of stanza.matchAll(/^([\w-]+):(.*(?:\n[ \t].*)*)/gm)) {
      fields[key!.toLowerCase()] = value!.trimEnd().replace(/^[ \t]+/, "");
    }
    if (!fields.uris || !fields.suites || fields.enabled?.toLowerCase() === "no") continue;
    const options: Record<string, string> = {};
    for (const [key, value] of Object.entries(fields)) keep(options, key, value);
    entries.push({
      uris: words(fields.uris),
      suites: words(fields.suites),
      components: words(fields.components ?? ""),
      options,
    });
  }
  return entries;
}

function keep(options: Record<string, string>, key: string, value: string): void {
  const name = keptOptions[key.toLowerCase()];
  if (name) options[name] = value;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter(Boolean);
}

/** The part of a suite's name behind the release: `-security`, `/updates`, `-backports`, or nothing. */
export function pocketOf(suite: string): string {
  return /(?:[-/](?:security|updates|backports|proposed)(?:-[a-z]+)*)?$/.exec(suite)![0];
}

/**
 * The entries of the distribution's own archive: component `main`, and suites of the release `codename` (or its alias)
 * in any pocket. Other people's repositories use other components or suite names; one that does not is kept out by the
 * origin that the private preferences demand.
 */
export function distributionEntries(entries: readonly AptEntry[], codename: string): AptEntry[] {
  const aliases = new Set([codename, "stable", "oldstable", "oldoldstable", "testing", "sid", "unstable"]);
  return entries
    .filter((entry) => entry.components.includes("main"))
    .map((entry) => ({ ...entry, suites: entry.suites.filter((suite) => aliases.has(releaseOf(suite))) }))
    .filter((entry) => entry.suites.length > 0);
}

function releaseOf(suite: string): string {
  return suite.slice(0, suite.length - pocketOf(suite).length);
}

/**
 * The same archives, asked for exactly the suite `suite`: an archive that serves the suite's pocket (security updates
 * live on one of their own), else those that serve the release itself.
 */
export function entriesForSuite(entries: readonly AptEntry[], suite: string): AptEntry[] {
  const serving = (pocket: string) =>
    entries.filter((entry) => entry.suites.some((own) => pocketOf(own) === pocket));
  const same = serving(pocketOf(suite));
  const chosen = same.length > 0 ? same : serving("");
  return (chosen.length > 0 ? chosen : entries).map((entry) => ({ ...entry, suites: [suite] }));
}

/** A deb822 file of these entries: `deb` with the package indexes alone, or `deb-src` with the source indexes alone. */
export function renderEntries(entries: readonly AptEntry[], type: "deb" | "deb-src"): string {
  return entries
    .map((entry) =>
      [
        `Types: ${type}`,
        `URIs: ${entry.uris.join(" ")}`,
        `Suites: ${entry.suites.join(" ")}`,
        "Components: main",
        ...Object.entries(entry.options).map(
          ([key, value]) => `${key}:${value.startsWith("\n") ? "" : " "}${value}`,
        ),
        `Targets: ${type === "deb" ? "Packages" : "Sources"}`,
        "",
      ].join("\n"),
    )
    .join("\n");
}

/**
 * The private configuration, read after the machine's own (whose proxies and credentials stay in force): every folder
 * that apt writes to is ours, the machine's hooks are off, and the machine's pins and installed packages do not count.
 * @param folder absolute; holds lists/, cache/, parts/, preferences
 */
export function renderAptConfiguration(folder: string, asRoot: boolean): string {
  return [
    `Dir::State "${folder}/state";`,
    `Dir::State::Lists "${folder}/lists";`,
    `Dir::State::status "/dev/null";`,
    `Dir::Cache "${folder}/cache";`,
    `Dir::Cache::pkgcache "";`,
    `Dir::Cache::srcpkgcache "";`,
    `Dir::Etc::SourceList "/dev/null";`,
    `Dir::Etc::SourceParts "${folder}/parts";`,
    `Dir::Etc::Preferences "${folder}/preferences";`,
    `Dir::Etc::PreferencesParts "/dev/null";`,
    `APT::Default-Release "";`,
    `Acquire::Languages "none";`,
    `Acquire::Retries "2";`,
    `Acquire::http::Timeout "20";`,
    `Acquire::https::Timeout "20";`,
    // Its own user could not write to our folders, and as root apt says so with a warning for each file.
    ...(asRoot ? [`APT::Sandbox::User "root";`] : []),
    "#clear APT::Update::Pre-Invoke;",
    "#clear APT::Update::Post-Invoke;",
    "#clear APT::Update::Post-Invoke-Success;",
    "",
  ].join("\n");
}

/** Preferences that leave nothing but the distribution's own packages: Release files carry `Origin: Debian`. */
export function renderPreferences(origin: string): string {
  return [
    `Package: *\nPin: release o=${origin}\nPin-Priority: 500`,
    "Package: *\nPin: release *\nPin-Priority: -1",
    "",
  ].join("\n\n");
}

/** The newest of package names that end in a kernel's number (`linux-source-6.12`), or undefined. */
export function newestSourcePackage(names: readonly string[]): string | undefined {
  const numbers = (name: string) => name.split("-").at(-1)!.split(".").map(Number);
  return names
    .filter((name) => /^linux-source-\d+(\.\d+)+$/.test(name))
    .sort((a, b) => {
      const [left, right] = [numbers(a), numbers(b)];
      const at = left.findIndex((value, index) => value !== right[index]);
      return at < 0 ? left.length - right.length : left[at]! - (right[at] ?? -1);
    })
    .at(-1);
}

/** Upstream's version in a Debian one: `1:6.12.117-1~deb12u1` → `6.12.117`, `7.3~rc1-1~exp1` → `7.3-rc1`. */
export function upstreamVersion(version: string): string {
  return version
    .replace(/^\d+:/, "")
    .replace(/-[^-]*$/, "")
    .replace(/~rc/, "-rc")
    .replace(/[+~](?:dfsg|ds|repack).*$/, "");
}
