using System;
using System.Globalization;
using System.Text;

namespace Scoreboard
{
    /// <summary>Reads server-sent events out of bytes that arrive in any pieces.</summary>
    internal sealed class EventStream
    {
        /// <summary>The largest board is far smaller; what is longer is not from the service.</summary>
        private const int LongestLine = 1 << 20;
        private readonly Decoder decoder = Encoding.UTF8.GetDecoder();
        private readonly StringBuilder line = new StringBuilder();
        private readonly StringBuilder data = new StringBuilder();
        private readonly Action<string, string> received;
        private string name = "";

        /// <summary>The time to wait before a reconnect, if the service has said one.</summary>
        public TimeSpan? Retry { get; private set; }

        /// <param name="received">called with the name and the data of each event</param>
        public EventStream(Action<string, string> received)
        {
            this.received = received;
        }

        /// <exception cref="FormatException">if a line is too long</exception>
        public void Add(ArraySegment<byte> bytes)
        {
            var characters = new char[Encoding.UTF8.GetMaxCharCount(bytes.Count)];
            var count = decoder.GetChars(bytes.Array, bytes.Offset, bytes.Count, characters, 0);
            for (var i = 0; i < count; i++)
            {
                var character = characters[i];
                // An empty line between \r and \n would end an event too early, so only \n ends a line.
                if (character == '\n') EndLine();
                else if (character != '\r') line.Append(character);
                if (line.Length + data.Length > LongestLine) throw new FormatException("An event is too long.");
            }
        }

        private void EndLine()
        {
            var text = line.ToString();
            line.Clear();
            if (text == "")
            {
                if (data.Length > 0) received(name, data.ToString(0, data.Length - 1));
                data.Clear();
                name = "";
                return;
            }
            var colon = text.IndexOf(':');
            var field = colon < 0 ? text : text.Substring(0, colon);
            var value = colon < 0 ? "" : text.Substring(colon + 1);
            if (value.StartsWith(" ", StringComparison.Ordinal)) value = value.Substring(1);
            if (field == "event") name = value;
            else if (field == "data") data.Append(value).Append('\n');
            else if (field == "retry" && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var ms))
                Retry = TimeSpan.FromMilliseconds(ms);
        }
    }
}
