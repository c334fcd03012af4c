// The members of Unity that the package uses, as its scripting reference declares them, so that a compiler checks the layer
// for Unity where there is no Unity. Nothing of it runs.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public class Object
    {
        public static T Instantiate<T>(T original, Transform parent) where T : Object => throw new NotSupportedException();
    }

    public class Component : Object
    {
        public Transform transform => throw new NotSupportedException();
        public GameObject gameObject => throw new NotSupportedException();
    }

    public class Behaviour : Component { }
    public class MonoBehaviour : Behaviour { }
    public class Transform : Component { }

    public sealed class GameObject : Object
    {
        public void SetActive(bool value) => throw new NotSupportedException();
    }

    public struct Color
    {
        public static Color yellow => throw new NotSupportedException();
    }

    public sealed class SerializeField : Attribute { }

    public sealed class TooltipAttribute : Attribute
    {
        public TooltipAttribute(string tooltip) { }
    }

    public sealed class RangeAttribute : Attribute
    {
        public RangeAttribute(float min, float max) { }
    }

    public sealed class AddComponentMenu : Attribute
    {
        public AddComponentMenu(string menuName) { }
    }

    public sealed class RequireComponent : Attribute
    {
        public RequireComponent(Type requiredComponent) { }
    }

    public enum RuntimePlatform { WebGLPlayer = 17 }

    public static class Application
    {
        public static RuntimePlatform platform => throw new NotSupportedException();
        public static string persistentDataPath => throw new NotSupportedException();
    }

    public static class Time
    {
        public static float realtimeSinceStartup => throw new NotSupportedException();
        public static float time => throw new NotSupportedException();
    }

    public static class Mathf
    {
        public static int Min(int a, int b) => throw new NotSupportedException();
    }

    public static class Debug
    {
        public static void Log(object message) => throw new NotSupportedException();
        public static void LogWarning(object message) => throw new NotSupportedException();
    }

    public enum KeyCode { Space = 32 }

    public static class Input
    {
        public static bool GetKeyDown(KeyCode key) => throw new NotSupportedException();
    }

    public class GUILayoutOption { }

    public static class GUILayout
    {
        public static void Label(string text, params GUILayoutOption[] options) => throw new NotSupportedException();
    }

    public static class PlayerPrefs
    {
        public static string GetString(string key, string defaultValue) => throw new NotSupportedException();
        public static void SetString(string key, string value) => throw new NotSupportedException();
        public static void DeleteKey(string key) => throw new NotSupportedException();
        public static void Save() => throw new NotSupportedException();
    }

    public class AsyncOperation
    {
        public event Action<AsyncOperation> completed { add { } remove { } }
    }
}

namespace UnityEngine.Networking
{
    public class DownloadHandler : IDisposable
    {
        public string text => throw new NotSupportedException();
        public virtual void Dispose() => throw new NotSupportedException();
    }

    public sealed class DownloadHandlerBuffer : DownloadHandler { }

    public class DownloadHandlerScript : DownloadHandler
    {
        protected virtual bool ReceiveData(byte[] data, int dataLength) => throw new NotSupportedException();
    }

    public class UploadHandler { }

    public sealed class UploadHandlerRaw : UploadHandler
    {
        public UploadHandlerRaw(byte[] data) { }
    }

    public class UnityWebRequestAsyncOperation : AsyncOperation { }

    public class UnityWebRequest : IDisposable
    {
        public enum Result { InProgress, Success, ConnectionError, ProtocolError, DataProcessingError }
        public UnityWebRequest(string url, string method) { }
        public UploadHandler uploadHandler { get; set; }
        public DownloadHandler downloadHandler { get; set; }
        public long responseCode => throw new NotSupportedException();
        public string error => throw new NotSupportedException();
        public Result result => throw new NotSupportedException();
        public string GetResponseHeader(string name) => throw new NotSupportedException();
        public void SetRequestHeader(string name, string value) => throw new NotSupportedException();
        public UnityWebRequestAsyncOperation SendWebRequest() => throw new NotSupportedException();
        public void Abort() => throw new NotSupportedException();
        public void Dispose() => throw new NotSupportedException();
    }
}

namespace UnityEngine.UI
{
    public class Text : Behaviour
    {
        public string text { get; set; }
        public Color color { get; set; }
        public bool supportRichText { get; set; }
    }

    public class VerticalLayoutGroup : Behaviour { }
}
