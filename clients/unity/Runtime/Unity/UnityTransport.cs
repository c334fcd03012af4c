using System;
using System.IO;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using UnityEngine;
using UnityEngine.Networking;

namespace Scoreboard.Unity
{
    /// <summary>Sends requests by UnityWebRequest, on all of Unity's platforms.</summary>
    public sealed class UnityTransport : ITransport
    {
        /// <summary>In a browser a UnityWebRequest passes its body on only when it is complete.</summary>
        public bool CanStream => Application.platform != RuntimePlatform.WebGLPlayer;

        public async Task<Response> SendAsync(Request request, CancellationToken cancel)
        {
            using (var web = Prepare(request, new DownloadHandlerBuffer()))
            {
                await SendAsync(web, cancel);
                return new Response((int)web.responseCode, web.downloadHandler.text ?? "", web.GetResponseHeader("Retry-After"));
            }
        }

        public async Task<Response> StreamAsync(Request request, Action<ArraySegment<byte>> received, CancellationToken cancel)
        {
            var pieces = new Pieces(received);
            using (var web = Prepare(request, pieces))
            {
                pieces.Of = web;
                try
                {
                    await SendAsync(web, cancel);
                }
                finally
                {
                    // The cause; the request only says that it was ended.
                    pieces.Failure?.Throw();
                }
                return new Response((int)web.responseCode, pieces.OfError, web.GetResponseHeader("Retry-After"));
            }
        }

        private static UnityWebRequest Prepare(Request request, DownloadHandler handler)
        {
            var web = new UnityWebRequest(request.Url, request.Method) { downloadHandler = handler };
            if (request.Body != null) web.uploadHandler = new UploadHandlerRaw(Encoding.UTF8.GetBytes(request.Body));
            foreach (var header in request.Headers) web.SetRequestHeader(header.Key, header.Value);
            return web;
        }

        private static async Task SendAsync(UnityWebRequest web, CancellationToken cancel)
        {
            cancel.ThrowIfCancellationRequested();
            var done = new TaskCompletionSource<bool>();
            web.SendWebRequest().completed += _ => done.TrySetResult(true);
            using (cancel.Register(web.Abort)) await done.Task;
            cancel.ThrowIfCancellationRequested();
            // A response with an error of HTTP is a response.
            if (web.result != UnityWebRequest.Result.Success && web.result != UnityWebRequest.Result.ProtocolError)
                throw new IOException(web.error);
        }

        /// <summary>Passes on a body of status 200 as it arrives, and keeps any other.</summary>
        private sealed class Pieces : DownloadHandlerScript
        {
            private const int LongestError = 1 << 16;
            private readonly Action<ArraySegment<byte>> received;
            private readonly MemoryStream error = new MemoryStream();

            public UnityWebRequest Of { private get; set; }
            /// <summary>Of the listener. Unity calls from native code, where an exception would be lost.</summary>
            public ExceptionDispatchInfo Failure { get; private set; }
            public string OfError => Encoding.UTF8.GetString(error.ToArray());

            public Pieces(Action<ArraySegment<byte>> received)
            {
                this.received = received;
            }

            /// <summary>False ends the request.</summary>
            protected override bool ReceiveData(byte[] data, int length)
            {
                if (Of.responseCode != 200)
                {
                    if (error.Length + length <= LongestError) error.Write(data, 0, length);
                    return true;
                }
                try
                {
                    received(new ArraySegment<byte>(data, 0, length));
                }
                catch (Exception cause)
                {
                    Failure = ExceptionDispatchInfo.Capture(cause);
                }
                return Failure == null;
            }
        }
    }
}
