import { expect, test } from 'vitest';
import type { Asset, Course } from '../api/types';
import { allAssets, withAsset } from './live-assets';

const asset = (id: string, state: Asset['state'] = 'processing') => ({ id, state }) as Asset;
const course = {
  materials: [asset('a')],
  modules: [{ id: 'm', lessons: [{ id: 'l', assets: [asset('b')] }] }],
} as unknown as Course;

test('news of an asset replaces it wherever it stands', () => {
  expect(withAsset(course, asset('a', 'published')).materials).toEqual([asset('a', 'published')]);
  expect(withAsset(course, asset('b', 'failed')).modules[0]!.lessons[0]!.assets).toEqual([asset('b', 'failed')]);
});

test('an asset that is new goes to the materials', () => {
  expect(allAssets(withAsset(course, asset('c'))).map((a) => a.id)).toEqual(['a', 'c', 'b']);
});

test('the course itself is not changed', () => {
  withAsset(course, asset('a', 'published'));
  expect(course.materials[0]!.state).toBe('processing');
});
