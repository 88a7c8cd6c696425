import { Vital } from 'vital-socket';
import { useVital } from 'vital-socket/react';

export function Pulse({ url }: { url: string }) {
  const { vital, status, health, rttMs, verdict, data } = useVital(() => new Vital(url), [url]);
  return (
    <section>
      <p>
        {health === 'doubtful' ? 'doubtful' : status}, {rttMs} ms
      </p>
      {verdict && <p>{verdict.text}</p>}
      <button disabled={!vital} onClick={() => vital?.send('hello')}>
        Say hello
      </button>
      <p>{String(data)}</p>
    </section>
  );
}
