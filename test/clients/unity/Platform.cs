using System;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard.Driver
{
    /// <summary>Sends requests by HttpClient.</summary>
    internal sealed class HttpTransport : ITransport
    {
        // The package has limits of its own; a stream has none.
        private readonly HttpClient client = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };

        public HttpTransport(bool canStream)
        {
            CanStream = canStream;
        }

        public bool CanStream { get; }

        public async Task<Response> SendAsync(Request request, CancellationToken cancel)
        {
            using (var message = Message(request))
            using (var response = await client.SendAsync(message, HttpCompletionOption.ResponseContentRead, cancel))
                return ResponseOf(response, await response.Content.ReadAsStringAsync());
        }

        public async Task<Response> StreamAsync(Request request, Action<ArraySegment<byte>> received, CancellationToken cancel)
        {
            using (var message = Message(request))
            using (var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancel))
            {
                if (!response.IsSuccessStatusCode) return ResponseOf(response, await response.Content.ReadAsStringAsync());
                var buffer = new byte[4096];
                using (var body = await response.Content.ReadAsStreamAsync())
                using (cancel.Register(body.Dispose))
                    for (int count; (count = await body.ReadAsync(buffer, 0, buffer.Length, cancel)) > 0;)
                        received(new ArraySegment<byte>(buffer, 0, count));
                return ResponseOf(response, "");
            }
        }

        private static HttpRequestMessage Message(Request request)
        {
            var message = new HttpRequestMessage(new HttpMethod(request.Method), request.Url);
            if (request.Body != null) message.Content = new StringContent(request.Body, Encoding.UTF8, "application/json");
            foreach (var header in request.Headers)
                if (header.Key != "Content-Type") message.Headers.Add(header.Key, header.Value);
            return message;
        }

        private static Response ResponseOf(HttpResponseMessage response, string body)
        {
            response.Headers.TryGetValues("Retry-After", out var retryAfter);
            return new Response((int)response.StatusCode, body, retryAfter == null ? null : string.Join("", retryAfter));
        }
    }

    internal sealed class SystemClock : IClock
    {
        public DateTime UtcNow => DateTime.UtcNow;
        public Task DelayAsync(TimeSpan time, CancellationToken cancel) => Task.Delay(time, cancel);
    }
}
