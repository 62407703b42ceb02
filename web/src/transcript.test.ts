import { expect, test } from 'vitest'
import type { Side } from './protocol'
import { clockText, isOverlap, Transcript, TURN_GAP_MS } from './transcript'

function transcript(...said: [Side, string, number][]): Transcript {
  const result = new Transcript()
  for (const [side, text, startMs] of said) {
    text.split(' ').forEach((word, index) => result.add(side, word, startMs + 300 * index, startMs))
  }
  return result
}

const texts = (one: Transcript) => one.turns.map(({ side, text }) => `${side}: ${text}`)

test('words of one side join into a turn', () => {
  expect(texts(transcript(['user', 'what is three plus four', 0]))).toEqual(['user: what is three plus four'])
})

test('a long silence opens a new turn', () => {
  expect(transcript(['agent', 'hello', 0], ['agent', 'hello', 280 + TURN_GAP_MS]).turns).toHaveLength(2)
  expect(transcript(['agent', 'hello', 0], ['agent', 'hello', 279 + TURN_GAP_MS]).turns).toHaveLength(1)
})

test('a word of the other side closes nothing', () => {
  const both = transcript(['agent', 'three plus', 0], ['user', 'mm', 350], ['agent', 'four', 600])
  expect(texts(both)).toEqual(['agent: three plus four', 'user: mm'])
})

test('turns that sound together share a passage', () => {
  const [first, second, ...rest] = transcript(
    ['user', 'hello', 0],
    ['agent', 'three plus four is seven', 3000],
    ['user', 'uh huh', 3500],
  ).passages()
  expect(rest).toEqual([])
  expect([isOverlap(first!), isOverlap(second!)]).toEqual([false, true])
  expect(second!.user[0]!.text).toBe('uh huh')
})

test('turns one after the other do not', () => {
  // times of a real answer, 160 ms after the last word was understood
  const passages = transcript(['user', 'three plus four', 1640], ['agent', 'seven', 2400]).passages()
  expect(passages.map(isOverlap)).toEqual([false, false])
})

test('pieces without a leading space continue the word, once there are any with one', () => {
  const one = new Transcript()
  for (const piece of [' on', ' mon', 'day', '.']) one.add('agent', piece, 0, 0)
  expect(texts(one)).toEqual(['agent: on monday.'])
})

test('passages follow the clock of the conversation, not the order of arrival', () => {
  const late = transcript(['agent', 'hello', 2000], ['user', 'hi', 500])
  expect(late.passages().map(({ user }) => user.length)).toEqual([1, 0])
})

test('a turn settles when its side has been silent, once', () => {
  const one = transcript(['agent', 'hello', 0])
  expect(one.settle(TURN_GAP_MS - 1)).toEqual([])
  expect(one.settle(TURN_GAP_MS).map(({ text }) => text)).toEqual(['hello'])
  expect(one.settle(2 * TURN_GAP_MS)).toEqual([])
})

test('the end closes what is open', () => {
  const one = transcript(['agent', 'hello', 0], ['user', 'hi', 0])
  expect(one.finish()).toHaveLength(2)
  expect(one.finish()).toEqual([])
})

test('punctuation joins without a space, empty words not at all', () => {
  expect(texts(transcript(['agent', 'seven . you’ll see', 0]))).toEqual(['agent: seven. you’ll see'])
  expect(transcript(['agent', '', 0]).turns).toEqual([])
})

test('cleared is as new', () => {
  const one = transcript(['agent', 'hello', 0])
  one.clear()
  one.add('agent', 'again', 100, 100)
  expect(texts(one)).toEqual(['agent: again'])
})

test.each([[0, '0:00'], [61_900, '1:01'], [-5, '0:00'], [3_600_000, '60:00']])('%i ms reads %s', (timeMs, text) => {
  expect(clockText(timeMs)).toBe(text)
})
