using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace Scoreboard
{
    /// <summary>A JSON object. The methods throw a FormatException for what is not of the type.</summary>
    public sealed class JsonObject : Dictionary<string, object>
    {
        public string Text(string name) => Read<string>(name);
        public string TextOrNull(string name) => ReadOrNull<string>(name);
        public long Integer(string name) => Read<long>(name);
        public long? IntegerOrNull(string name) => TryGetValue(name, out var value) && value is long integer ? integer : (long?)null;
        public JsonObject Object(string name) => Read<JsonObject>(name);
        public JsonObject ObjectOrNull(string name) => ReadOrNull<JsonObject>(name);

        /// <summary>The objects of an array.</summary>
        public IReadOnlyList<T> List<T>(string name, Func<JsonObject, T> read)
        {
            var list = new List<T>();
            foreach (var item in Read<List<object>>(name))
                list.Add(read(item as JsonObject ?? throw new FormatException(name + " holds other things than objects.")));
            return list;
        }

        private T Read<T>(string name) =>
            TryGetValue(name, out var value) && value is T typed ? typed : throw new FormatException(name + " is missing.");

        private T ReadOrNull<T>(string name) where T : class => TryGetValue(name, out var value) ? value as T : null;
    }

    /// <summary>
    /// JSON as objects (JsonObject), arrays (List&lt;object&gt;), string, long, double, bool and null. The service sends no other
    /// integers than those of a long.
    /// </summary>
    public static class Json
    {
        private const int Depth = 32;

        /// <exception cref="FormatException">if it is not JSON</exception>
        public static object Parse(string text)
        {
            var reader = new Reader(text);
            return reader.ReadAll();
        }

        /// <summary>Null if it is not JSON.</summary>
        public static object TryParse(string text)
        {
            try
            {
                return string.IsNullOrEmpty(text) ? null : Parse(text);
            }
            catch (FormatException)
            {
                return null;
            }
        }

        /// <exception cref="ArgumentException">for what JSON cannot hold: other objects, NaN, infinities, and deeper nesting than is read</exception>
        public static string Write(object value)
        {
            var text = new StringBuilder();
            Write(text, value, 0);
            return text.ToString();
        }

        private static void Write(StringBuilder text, object value, int depth)
        {
            if (value == null) text.Append("null");
            else if (value is string characters) WriteText(text, characters);
            else if (value is bool truth) text.Append(truth ? "true" : "false");
            else if (value is float single) WriteFraction(text, single, single.ToString("R", CultureInfo.InvariantCulture));
            else if (value is double number) WriteFraction(text, number, number.ToString("R", CultureInfo.InvariantCulture));
            else if (value is IDictionary members) WriteObject(text, members, depth);
            else if (value is IEnumerable items) WriteArray(text, items, depth);
            else if (IsExact(value)) text.Append(((IFormattable)value).ToString(null, CultureInfo.InvariantCulture));
            else throw new ArgumentException(value.GetType() + " is no JSON.");
        }

        private static int Deeper(int depth) =>
            depth < Depth ? depth + 1 : throw new ArgumentException("It is nested too deeply for JSON.");

        private static bool IsExact(object value) =>
            value is long || value is int || value is short || value is sbyte || value is ulong || value is uint || value is ushort
            || value is byte || value is decimal;

        private static void WriteFraction(StringBuilder text, double value, string digits)
        {
            if (double.IsNaN(value) || double.IsInfinity(value)) throw new ArgumentException(digits + " is no JSON.");
            text.Append(digits);
        }

        private static void WriteObject(StringBuilder text, IDictionary members, int depth)
        {
            var inner = Deeper(depth);
            var separator = "";
            text.Append('{');
            foreach (DictionaryEntry member in members)
            {
                text.Append(separator);
                separator = ",";
                WriteText(text, member.Key as string ?? throw new ArgumentException("A name in JSON is a text."));
                text.Append(':');
                Write(text, member.Value, inner);
            }
            text.Append('}');
        }

        private static void WriteArray(StringBuilder text, IEnumerable items, int depth)
        {
            var inner = Deeper(depth);
            var separator = "";
            text.Append('[');
            foreach (var item in items)
            {
                text.Append(separator);
                separator = ",";
                Write(text, item, inner);
            }
            text.Append(']');
        }

        private static void WriteText(StringBuilder text, string characters)
        {
            text.Append('"');
            foreach (var character in characters)
            {
                if (character == '"' || character == '\\') text.Append('\\').Append(character);
                else if (character < ' ') text.AppendFormat(CultureInfo.InvariantCulture, "\\u{0:x4}", (int)character);
                else text.Append(character);
            }
            text.Append('"');
        }

        private sealed class Reader
        {
            private readonly string text;
            private int at;
            private int depth;

            public Reader(string text)
            {
                this.text = text;
            }

            public object ReadAll()
            {
                var value = Value();
                if (Next() != '\0') throw Unexpected();
                return value;
            }

            private object Value()
            {
                switch (Next())
                {
                    case '{': return Nested(Object);
                    case '[': return Nested(Array);
                    case '"': return Text();
                    case 't': return Literal("true", true);
                    case 'f': return Literal("false", false);
                    case 'n': return Literal("null", null);
                    default: return Number();
                }
            }

            private object Nested(Func<object> read)
            {
                if (++depth > Depth) throw new FormatException("JSON is nested too deeply.");
                at++;
                var value = read();
                depth--;
                return value;
            }

            private object Object()
            {
                var members = new JsonObject();
                if (Skip('}')) return members;
                do
                {
                    if (Next() != '"') throw Unexpected();
                    var name = Text();
                    if (!Skip(':')) throw Unexpected();
                    members[name] = Value();
                } while (Skip(','));
                return Skip('}') ? members : throw Unexpected();
            }

            private object Array()
            {
                var items = new List<object>();
                if (Skip(']')) return items;
                do items.Add(Value());
                while (Skip(','));
                return Skip(']') ? items : throw Unexpected();
            }

            private string Text()
            {
                var characters = new StringBuilder();
                for (at++; at < text.Length; at++)
                {
                    var character = text[at];
                    if (character == '"')
                    {
                        at++;
                        return characters.ToString();
                    }
                    if (character < ' ') throw Unexpected();
                    characters.Append(character == '\\' ? Escaped() : character);
                }
                throw Unexpected();
            }

            private char Escaped()
            {
                if (++at == text.Length) throw Unexpected();
                switch (text[at])
                {
                    case 'b': return '\b';
                    case 'f': return '\f';
                    case 'n': return '\n';
                    case 'r': return '\r';
                    case 't': return '\t';
                    case '"': case '\\': case '/': return text[at];
                    case 'u': return Coded();
                    default: throw Unexpected();
                }
            }

            private char Coded()
            {
                var digits = at + 4 < text.Length ? text.Substring(at + 1, 4) : "";
                if (!ushort.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var code)) throw Unexpected();
                at += 4;
                return (char)code;
            }

            private object Number()
            {
                var start = at;
                while (at < text.Length && (char.IsDigit(text[at]) || "+-.eE".IndexOf(text[at]) >= 0)) at++;
                var digits = text.Substring(start, at - start);
                if (long.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer)) return integer;
                if (double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && !double.IsInfinity(number)) return number;
                throw Unexpected();
            }

            private object Literal(string word, object value)
            {
                if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw Unexpected();
                at += word.Length;
                return value;
            }

            /// <summary>The next character that is no space; '\0' at the end.</summary>
            private char Next()
            {
                while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0) at++;
                return at < text.Length ? text[at] : '\0';
            }

            private bool Skip(char expected)
            {
                if (Next() != expected) return false;
                at++;
                return true;
            }

            private FormatException Unexpected() => new FormatException("Unexpected JSON at " + at + ".");
        }
    }
}
