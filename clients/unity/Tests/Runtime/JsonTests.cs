using System;
using System.Globalization;
using System.Threading;
using NUnit.Framework;

namespace Scoreboard.Tests
{
    public class JsonTests
    {
        [Test]
        public void WhatIsWrittenIsReadAgain()
        {
            var value = new JsonObject
            {
                ["text"] = "\"Ada\" \\ \n \u0001 é 日 \ud83c\udfc6",
                ["largest"] = 9007199254740991L,
                ["smallest"] = -9007199254740991L,
                ["half"] = 0.5,
                ["yes"] = true,
                ["nothing"] = null,
                ["list"] = new object[] { 1L, "two", new JsonObject() },
            };
            var text = Json.Write(value);
            var read = (JsonObject)Json.Parse(text);
            Assert.AreEqual(value["text"], read.Text("text"));
            Assert.AreEqual(9007199254740991L, read.Integer("largest"));
            Assert.AreEqual(-9007199254740991L, read.Integer("smallest"));
            Assert.AreEqual(0.5, read["half"]);
            Assert.AreEqual(text, Json.Write(read));
        }

        [TestCase(0.93f, "0.93")]
        [TestCase(0.1, "0.1")]
        [TestCase((byte)7, "7")]
        [TestCase(ulong.MaxValue, "18446744073709551615")]
        public void NumbersAreWrittenAsTheyAre(object number, string text) => Assert.AreEqual(text, Json.Write(number));

        [Test]
        public void NumbersHaveAPointInEveryCountry()
        {
            var before = Thread.CurrentThread.CurrentCulture;
            Thread.CurrentThread.CurrentCulture = new CultureInfo("de-DE");
            try
            {
                Assert.AreEqual("[0.5,0.93,-1.25]", Json.Write(new object[] { 0.5, 0.93f, -1.25m }));
            }
            finally
            {
                Thread.CurrentThread.CurrentCulture = before;
            }
        }

        [Test]
        public void WhatIsWrittenIsNotTooDeepToBeRead()
        {
            object value = new object[0];
            for (var depth = 1; depth < 32; depth++) value = new[] { value };
            Json.Parse(Json.Write(value));
            Assert.Throws<ArgumentException>(() => Json.Write(new[] { value }));
        }

        [Test]
        public void EscapesAreRead() =>
            Assert.AreEqual("a/\b\f\n\r\t\"\\\u00e9", Json.Parse(" \"a\\/\\b\\f\\n\\r\\t\\\"\\\\\\u00e9\" "));

        [TestCase("")]
        [TestCase("{")]
        [TestCase("{\"a\" 1}")]
        [TestCase("{a: 1}")]
        [TestCase("[1 2]")]
        [TestCase("[1,]")]
        [TestCase("\"open")]
        [TestCase("\"\\u12\"")]
        [TestCase("\"\\x\"")]
        [TestCase("tru")]
        [TestCase("1.2.3")]
        [TestCase("1e999")]
        [TestCase("1 2")]
        public void OtherTextIsRefused(string text)
        {
            Assert.Throws<FormatException>(() => Json.Parse(text));
            Assert.IsNull(Json.TryParse(text));
        }

        [Test]
        public void DeepNestingIsRefusedBeforeTheStackEnds() =>
            Assert.Throws<FormatException>(() => Json.Parse(new string('[', 100000)));

        [Test]
        public void AFieldOfAnotherTypeIsRefused()
        {
            var json = (JsonObject)Json.Parse("{\"rank\": \"1\", \"items\": [1]}");
            Assert.Throws<FormatException>(() => json.Integer("rank"));
            Assert.Throws<FormatException>(() => json.Text("name"));
            Assert.Throws<FormatException>(() => json.List("items", item => item));
            Assert.IsNull(json.IntegerOrNull("rank"));
        }
    }
}
