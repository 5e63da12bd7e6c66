// The demo's application: a pod that answers with its own name, like GKE's serve_hostname.
//
//   deno run --allow-net --allow-read --allow-env --allow-sys=hostname demo/pod.ts
//
//   GET /             the name; the demo page for a browser
//   GET /drop-cookie  the name, and a Set-Cookie that ends the session
//   GET /ws           a WebSocket: first message the name, then every message echoed behind it
//   GET anything else the name

const name = Deno.env.get("POD_NAME") ?? Deno.hostname();
const port = Number(Deno.env.get("PORT") ?? 9376);
const pageFile = new URL("page.html", import.meta.url);

async function answer(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname === "/ws" && request.headers.get("upgrade")?.toLowerCase() === "websocket") {
    return greetAndEcho(request);
  }
  if (pathname === "/" && request.headers.get("accept")?.includes("text/html")) {
    return reply(await Deno.readTextFile(pageFile), "text/html; charset=utf-8");
  }
  const response = reply(name, "text/plain; charset=utf-8");
  if (pathname === "/drop-cookie") {
    response.headers.append("set-cookie", "GCLB=; Max-Age=0; Path=/");
  }
  return response;
}

function reply(body: string, contentType: string): Response {
  return new Response(body, { headers: { "content-type": contentType, "x-pod": name } });
}

function greetAndEcho(request: Request): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => socket.send(name);
  socket.onmessage = ({ data }) => {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    if (socket.readyState === WebSocket.OPEN) socket.send(`${name}: ${text}`);
  };
  // Deno logs an error event without a listener; the close event that follows it is enough.
  socket.onerror = (event) => event.preventDefault();
  response.headers.set("x-pod", name);
  return response;
}

const server = Deno.serve({
  port,
  onListen: ({ hostname, port }) => console.log(`${name} listens on ${hostname}:${port}`),
  onError: (error) => {
    console.error(error);
    return new Response(`${name}: ${error}`, { status: 500, headers: { "x-pod": name } });
  },
}, answer);

async function stop() {
  // Answers the requests under way and closes WebSockets with 1001; three seconds are enough.
  setTimeout(() => Deno.exit(0), 3000);
  await server.shutdown();
  Deno.exit(0);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, stop);
