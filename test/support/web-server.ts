/** A loopback web server with faults on demand: what mirrors do on their bad days, one behaviour a path. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Behaviour = (request: IncomingMessage, response: ServerResponse, seen: number) => void;

export interface WebServer extends AsyncDisposable {
  /** "http://127.0.0.1:PORT/" */
  readonly base: string;
  /** Requests so far, as "PATH RANGE". */
  readonly requests: string[];
}

/** Serves each path by its behaviour, which is told how many requests the path had before; other paths are 404. */
export async function webServer(behaviours: Readonly<Record<string, Behaviour>>): Promise<WebServer> {
  const requests: string[] = [];
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    const seen = counts.get(path) ?? 0;
    counts.set(path, seen + 1);
    requests.push(`${path}${request.headers.range ? ` ${request.headers.range}` : ""}`);
    (behaviours[path] ?? answer(404))(request, response, seen);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    base: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The whole file, or the range that was asked for. */
export function good(body: Buffer): Behaviour {
  return (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    if (start >= body.length && start > 0) {
      response.writeHead(416).end();
      return;
    }
    const headers = { "content-length": body.length - start };
    if (start === 0) response.writeHead(200, headers);
    else
      response.writeHead(206, {
        ...headers,
        "content-range": `bytes ${start}-${body.length - 1}/${body.length}`,
      });
    response.end(body.subarray(start));
  };
}

/** The whole file whatever range was asked for. */
export function withoutRanges(body: Buffer): Behaviour {
  return (_request, response) => void response.writeHead(200, { "content-length": body.length }).end(body);
}

/** Promises the whole file and breaks the connection after `bytes` of what was asked for. */
export function cut(body: Buffer, bytes: number): Behaviour {
  return (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
    response.writeHead(start > 0 ? 206 : 200, {
      "content-length": body.length - start,
      ...(start > 0 ? { "content-range": `bytes ${start}-${body.length - 1}/${body.length}` } : {}),
    });
    response.write(body.subarray(start, start + bytes), () => setTimeout(() => response.destroy(), 20));
  };
}

/** Sends `bytes` and then nothing more, with the connection open. */
export function stall(body: Buffer, bytes: number): Behaviour {
  return (_request, response) => {
    response.writeHead(200, { "content-length": body.length });
    response.write(body.subarray(0, bytes));
  };
}

/** One byte every `everyMs`. */
export function crawl(body: Buffer, everyMs: number): Behaviour {
  return (_request, response) => {
    response.writeHead(200, { "content-length": body.length });
    let at = 0;
    const timer = setInterval(() => response.write(body.subarray(at, ++at)), everyMs);
    response.on("close", () => clearInterval(timer));
  };
}

/** A status, with headers and a short body. */
export function answer(status: number, headers: Record<string, string> = {}, body = "no"): Behaviour {
  return (_request, response) => void response.writeHead(status, headers).end(body);
}

/** A body without end and without a length. */
export function endless(): Behaviour {
  return (_request, response) => {
    response.writeHead(200);
    const block = Buffer.alloc(65_536, 1);
    const pump = () => {
      while (!response.destroyed && response.write(block));
      if (!response.destroyed) response.once("drain", pump);
    };
    pump();
  };
}

/** The first behaviours for the first requests, the last for all that follow. */
export function inTurn(...behaviours: Behaviour[]): Behaviour {
  return (request, response, seen) =>
    behaviours[Math.min(seen, behaviours.length - 1)]!(request, response, seen);
}
