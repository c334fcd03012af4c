using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    /// <summary>An HTTP request to the service.</summary>
    public sealed class Request
    {
        public readonly string Method;
        public readonly string Url;
        /// <summary>JSON, or null for a request without a body.</summary>
        public readonly string Body;
        public readonly IReadOnlyDictionary<string, string> Headers;

        public Request(string method, string url, string body, IReadOnlyDictionary<string, string> headers)
        {
            Method = method;
            Url = url;
            Body = body;
            Headers = headers;
        }
    }

    /// <summary>The response to a request.</summary>
    public sealed class Response
    {
        public readonly int Status;
        /// <summary>Empty for a stream, whose body has been passed on in pieces.</summary>
        public readonly string Body;
        /// <summary>The value of the header Retry-After; null without one.</summary>
        public readonly string RetryAfter;

        public Response(int status, string body, string retryAfter)
        {
            Status = status;
            Body = body;
            RetryAfter = retryAfter;
        }
    }

    /// <summary>Sends requests. An exception other than a cancellation means that no response arrived.</summary>
    public interface ITransport
    {
        /// <summary>Whether StreamAsync passes on what arrives at once. Where not, boards are polled.</summary>
        bool CanStream { get; }

        Task<Response> SendAsync(Request request, CancellationToken cancel);

        /// <summary>Passes on the pieces of a body of status 200 as they arrive, and ends with the response.</summary>
        Task<Response> StreamAsync(Request request, Action<ArraySegment<byte>> received, CancellationToken cancel);
    }

    /// <summary>
    /// Keeps named texts between runs of the game. Two running games that share them end each other's session, and may count an
    /// action twice: FileStorage has a lock.
    /// </summary>
    public interface IStorage
    {
        /// <summary>Null if there is none.</summary>
        string Read(string name);

        /// <param name="text">null removes it</param>
        void Write(string name, string text);
    }

    /// <summary>The time of the device.</summary>
    public interface IClock
    {
        DateTime UtcNow { get; }
        Task DelayAsync(TimeSpan time, CancellationToken cancel);
    }
}
