/** Read at each subscription: a page may have replaced it. */
export const platformEventSource = () => EventSource;
