import { homePage, pageAddress } from '../links';

test('only pages of the web are linked', () => {
  expect(pageAddress('https://hub.example.org/services/allotment/proposals/1')).not.toBeNull();
  for (const wrong of ['javascript:alert(1)', 'data:text/html,x', '/relative', '', null, undefined, ' https://x']) {
    expect(pageAddress(wrong)).toBeNull();
  }
  expect(homePage('https://hub.example.org/plot/hub/')).toBe('https://hub.example.org/plot/hub/home');
});
