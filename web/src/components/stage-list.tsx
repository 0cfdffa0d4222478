/** How far an upload is on its way to the learners, stage by stage; for one that is not there yet. */
import type { AssetStage } from '../api/types';
import { jobStateWord, stageOrder, stageWord } from '../words';
import { Icon } from './icon';
import { ProgressBar } from './progress-bar';

export function StageList({ stages }: { stages: AssetStage[] }) {
  const sorted = stages.map(stillToCome).sort((a, b) => stageOrder(a.stage) - stageOrder(b.stage));
  return (
    <ol className="stages">
      {sorted.map((stage) => (
        <li key={stage.stage + stage.kind} data-stage={stage.stage} data-state={stage.state}>
          <span className="stage-dot" aria-hidden="true">
            {stage.state === 'done' && <Icon name="check" size={14} />}
            {stage.state === 'dead' && <Icon name="cross" size={14} />}
          </span>
          <span className="stage-name">{stageWord(stage.stage)}</span>
          <span className="stage-state fine">{words(stage)}</span>
          {stage.state === 'running' && stage.total > 0 && <ProgressBar slim label={stageWord(stage.stage)} done={stage.done} total={stage.total} />}
        </li>
      ))}
    </ol>
  );
}

/** Each part that is ready asks whether all are; that question is answered, and the publishing still to come. */
function stillToCome(stage: AssetStage): AssetStage {
  return stage.stage === 'publish' && stage.state === 'done' ? { ...stage, state: 'queued', failure_code: null } : stage;
}

function words({ state, done, total, attempt, failure_code }: AssetStage): string {
  if (state === 'running' && total > 0) return `${Math.floor((done / total) * 100)} %`;
  // a queued stage with a failure behind it waits for its next try
  if (state === 'queued' && failure_code) return `Trying again after try ${attempt} (${failure_code})`;
  return jobStateWord(state);
}
