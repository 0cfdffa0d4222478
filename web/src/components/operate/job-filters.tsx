/** Which jobs are listed; what is chosen stands in the address of the page. */
import type { JobFilter } from '../../api/jobs';
import { JOB_STATES, LANES } from '../../words';

const STAGES = ['ingest', 'transcode', 'transcribe', 'extract', 'embed', 'index', 'publish', 'certify'];

interface Props {
  filter: JobFilter;
  onSet(key: keyof JobFilter, value: string): void;
}

export function JobFilters({ filter, onSet }: Props) {
  const states: [string, string][] = Object.entries(JOB_STATES).map(([state, word]) => [state, word.toLowerCase()]);
  const lanes: [string, string][] = Object.entries(LANES).map(([lane, words]) => [lane, words.toLowerCase()]);
  return (
    <div className="row filters">
      <Choice label="State" value={filter.state} options={states} onChange={(value) => onSet('state', value)} />
      <Choice label="Stage" value={filter.stage} options={STAGES.map((stage) => [stage, stage])} onChange={(value) => onSet('stage', value)} />
      <Choice label="Lane" value={filter.lane} options={lanes} onChange={(value) => onSet('lane', value)} />
      {filter.failure_code !== '' && (
        <button type="button" className="button" onClick={() => onSet('failure_code', '')}>
          Whatever failed
        </button>
      )}
      {filter.asset_id !== '' && (
        <button type="button" className="button" onClick={() => onSet('asset_id', '')}>
          All uploads
        </button>
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  /** Values with their words. */
  options: [string, string][];
  onChange(value: string): void;
}

function Choice({ label, value, options, onChange }: ChoiceProps) {
  return (
    <label>
      {label}{' '}
      <select value={value} onChange={(event) => onChange(event.target.value)}>
        <option value="">any</option>
        {options.map(([option, words]) => (
          <option key={option} value={option}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}
