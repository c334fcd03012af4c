using System.Collections.Generic;

namespace Scoreboard.Tests
{
    internal sealed class Storage : IStorage
    {
        public readonly Dictionary<string, string> Texts = new Dictionary<string, string>();
        public string Read(string name) => Texts.TryGetValue(name, out var text) ? text : null;
        public void Write(string name, string text) => Texts[name] = text;
    }
}
