// Numbers and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });
const cents = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const count = (number) => whole.format(number);

/** Every digit below `from`, and places where there are few; three digits above. */
export function compact(number, from = 100_000) {
  const size = Math.abs(number);
  return (size >= from ? short : size < 10 ? fine : size < 100 ? tenths : whole).format(number);
}

/** Money: cents below a thousand, three digits from ten thousand on. */
export const money = (number) => (Math.abs(number) < 1000 ? cents.format(number) : compact(number, 10_000));

export function rate(perSecond) {
  return perSecond > 0 && perSecond < 10 ? String(Number(perSecond.toFixed(1))) : compact(Math.round(perSecond));
}

export function share(part, total) {
  if (total === 0) return "–";
  if (part === 0) return "0 %";
  const percent = (100 * part) / total;
  if (percent < 0.01) return "< 0.01 %";
  if (part !== total && percent > 99.99) return "> 99.99 %";
  return `${percent === 100 ? 100 : percent.toFixed(2)} %`;
}

/** A duration in milliseconds, as [number, unit]. */
export function duration(ms) {
  if (ms < 1000) return [String(ms), "ms"];
  if (ms < 120_000) return [(ms / 1000).toFixed(1), "s"];
  if (ms < 7_200_000) return [Math.round(ms / 60_000).toString(), "min"];
  return [(ms / 3_600_000).toFixed(1), "h"];
}

/** Writes instants in the page's time zone, also when another one is chosen. */
function written(options) {
  let zone = null;
  let format = null;
  return (instant) => {
    const wanted = document.body.dataset.zone || "UTC";
    if (zone !== wanted) {
      zone = wanted;
      format = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", ...options });
    }
    return format.format(instant);
  };
}

const clock = written({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minute = written({ hour: "2-digit", minute: "2-digit" });
const day = written({ day: "numeric", month: "short" });
const date = written({ day: "numeric", month: "short", year: "numeric" });

/** An instant as the clocks of the page's time zone show it: `09:30:00`. */
export const timeOfDay = (iso) => clock(new Date(iso));

export const dayOf = (iso) => date(new Date(iso));

export const moment = (ms) => `${day(ms)}, ${minute(ms)}`;

/** What stands at an axis: a day where the pieces are days or midnight is there, else a minute. */
export function tick(ms, interval) {
  const text = minute(ms);
  return interval === "day" || (interval === "hour" && text === "00:00") ? day(ms) : text;
}
