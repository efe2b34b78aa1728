"""A bare relay: what a websocket server costs that stores nothing.

It asks the model server once for each message on /ws, parses the stream and sends each
text on as a JSON frame. Only for the benchmark: it handles no error.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
from aiohttp import web

MODEL = web.AppKey("model", aiohttp.ClientSession)


async def answer(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        said = [{"role": "user", "content": message.data}]
        body = {"model": "bench", "messages": said, "stream": True}
        model = request.app[MODEL]
        async with model.post("chat/completions", json=body) as stream:
            async for line in stream.content:
                if line.startswith(b"data: {"):
                    await send_on(socket, json.loads(line[6:]))
        await socket.close()
    return socket


async def send_on(socket: web.WebSocketResponse, chunk: dict[str, object]) -> None:
    match chunk["choices"]:
        case [{"delta": {"content": str(text)}}] if text:
            await socket.send_str(json.dumps({"type": "delta", "text": text}))


async def serve(model_url: str) -> None:
    app = web.Application()
    app.add_routes([web.get("/ws", answer)])
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(f"{model_url}/", connector=connector) as model:
        app[MODEL] = model
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/ws\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
