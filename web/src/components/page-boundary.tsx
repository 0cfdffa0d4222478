/** Catches what a page throws while it is drawn, so that the frame around it stays and a person can go elsewhere. */
import { Component, type ReactNode } from 'react';
import { useLocation } from 'react-router';
import { asProblem, type Problem } from '../api/problem';
import { ProblemNotice } from './problem-notice';

export function PageBoundary({ children }: { children: ReactNode }) {
  const { pathname } = useLocation();
  return <Boundary key={pathname}>{children}</Boundary>;
}

class Boundary extends Component<{ children: ReactNode }, { problem: Problem | null }> {
  override state = { problem: null };

  static getDerivedStateFromError(error: unknown) {
    return { problem: asProblem(error) };
  }

  override render() {
    if (this.state.problem === null) return this.props.children;
    return (
      <div className="page">
        <h1>This page could not be shown</h1>
        <ProblemNotice problem={this.state.problem} onRetry={() => window.location.reload()} />
      </div>
    );
  }
}
