// How an answer follows from probabilities, as a file's record or a manifest of golden vectors says it. Runs anywhere.

/**
 * The labels that are the answer, in their order; none where the photo shows none of them. `decision` is that of the
 * record; a file without one gives its most probable label.
 */
export function decide(decision, probabilities, labels) {
  const { task, thresholds, reject_below: least, none_label: none } = decision ?? { task: 'single-label' };
  if (task === 'multi-label') return labels.filter((_, i) => probabilities[i] >= thresholds[i]);
  if (task !== 'single-label') throw new Error(`decision.task is ${task}`);
  let top = 0;
  probabilities.forEach((value, i) => { if (value > probabilities[top]) top = i; });
  const rejected = least !== undefined && probabilities[top] < least;
  return rejected || labels[top] === none ? [] : [labels[top]];
}
