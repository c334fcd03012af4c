using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Scoreboard
{
    /// <summary>Calls the service once, and reads its responses.</summary>
    internal sealed class Http
    {
        private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(15);
        private readonly string origin;
        private readonly IClock clock;
        public readonly ITransport Transport;

        public Http(string baseUrl, ITransport transport, IClock clock)
        {
            origin = baseUrl.TrimEnd('/');
            Transport = transport;
            this.clock = clock;
        }

        public Request Request(string method, string path, JsonObject body, string accessToken)
        {
            var headers = new Dictionary<string, string>();
            if (body != null) headers["Content-Type"] = "application/json";
            if (accessToken != null) headers["Authorization"] = "Bearer " + accessToken;
            return new Request(method, origin + path, body == null ? null : Json.Write(body), headers);
        }

        /// <summary>The body of the response. The request is given up after 15 s.</summary>
        /// <exception cref="ScoreboardException">for every other response, and for none</exception>
        public async Task<T> AskAsync<T>(
            string method, string path, JsonObject body, string accessToken, Func<JsonObject, T> read, CancellationToken cancel)
        {
            var response = await SendAsync(Request(method, path, body, accessToken), cancel);
            if (response.Status < 200 || response.Status > 299) throw ScoreboardException.Of(response);
            try
            {
                var json = response.Body == "" ? new JsonObject() : Json.Parse(response.Body) as JsonObject;
                return read(json ?? throw new FormatException("The response is no object."));
            }
            catch (FormatException cause)
            {
                throw new ScoreboardException(ScoreboardException.Unreachable, "The response is invalid.", cause);
            }
        }

        private async Task<Response> SendAsync(Request request, CancellationToken cancel)
        {
            cancel.ThrowIfCancellationRequested();
            using (var over = CancellationTokenSource.CreateLinkedTokenSource(cancel))
            {
                try
                {
                    var response = Transport.SendAsync(request, over.Token);
                    var first = await Task.WhenAny(response, clock.DelayAsync(Timeout, over.Token));
                    cancel.ThrowIfCancellationRequested();
                    if (first != response) throw new TimeoutException();
                    return await response;
                }
                catch (Exception cause) when (!cancel.IsCancellationRequested)
                {
                    throw new ScoreboardException(ScoreboardException.Unreachable, "No response.", cause);
                }
                finally
                {
                    over.Cancel();
                }
            }
        }
    }
}
