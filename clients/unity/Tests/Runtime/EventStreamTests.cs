using System;
using System.Collections.Generic;
using System.Text;
using NUnit.Framework;

namespace Scoreboard.Tests
{
    public class EventStreamTests
    {
        private readonly List<string> events = new List<string>();

        private EventStream NewStream()
        {
            events.Clear();
            return new EventStream((name, data) => events.Add(name + "=" + data));
        }

        [Test]
        public void EventsAreReadHoweverTheirBytesArrive()
        {
            var bytes = Encoding.UTF8.GetBytes(
                "retry: 1500\n: ping\n\nid: 1-2\nevent: snapshot\ndata: {\"a\":\"日本🏆\"}\n\nevent: rank\r\ndata:{\r\ndata: }\r\n\r\n");
            foreach (var size in new[] { 1, 2, 3, 7, bytes.Length })
            {
                var stream = NewStream();
                for (var at = 0; at < bytes.Length; at += size)
                    stream.Add(new ArraySegment<byte>(bytes, at, Math.Min(size, bytes.Length - at)));
                CollectionAssert.AreEqual(new[] { "snapshot={\"a\":\"日本🏆\"}", "rank={\n}" }, events);
                Assert.AreEqual(TimeSpan.FromMilliseconds(1500), stream.Retry);
            }
        }

        [Test]
        public void AnEventThatWasCutOffIsNotReported()
        {
            NewStream().Add(new ArraySegment<byte>(Encoding.UTF8.GetBytes("event: rank\ndata: {}\n")));
            CollectionAssert.IsEmpty(events);
        }

        [Test]
        public void AnEndlessLineIsRefused()
        {
            var stream = NewStream();
            var piece = new ArraySegment<byte>(Encoding.UTF8.GetBytes(new string('x', 1 << 16)));
            Assert.Throws<FormatException>(() =>
            {
                for (var i = 0; i < 32; i++) stream.Add(piece);
            });
        }
    }
}
