// Something that is asked for again and again, but done only so often.

/**
 * A function that has `work` done: at once, then at most every so often; what is asked for in between is done once,
 * later. Work that is not finished is waited for.
 * @param {number} every  ms
 * @param {() => Promise<unknown>} work
 */
export function paced(every, work) {
  let isBusy = false;
  let isAsked = false;
  const run = async () => {
    isBusy = true;
    isAsked = false;
    const pause = new Promise((resolve) => setTimeout(resolve, every));
    await work().catch(reportError);
    await pause;
    isBusy = false;
    if (isAsked) void run();
  };
  return () => {
    isAsked = true;
    if (!isBusy) void run();
  };
}
