// Chromium, headless, on the gate's page: signs in as somebody, takes screenshots, downloads the kubeconfig. Prints one line of JSON.
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const { modules, chromium: executablePath, url, person, folder } = JSON.parse(process.argv[2]);
const require = createRequire(path.join(modules, 'x.js'));
const { chromium } = (await import(pathToFileURL(require.resolve('playwright-core')))).default;

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--ignore-certificate-errors'] });
try {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, acceptDownloads: true, javaScriptEnabled: false, viewport: { width: 900, height: 760 } });
  const page = await context.newPage();
  const problems = [];
  page.on('console', (message) => { if (message.type() === 'error') problems.push(message.text()); });
  await page.goto(url);
  await page.screenshot({ path: path.join(folder, 'sign-in.png') });
  await page.getByRole('link', { name: /^Sign in with/ }).click();
  await page.getByRole('button', { name: new RegExp(`^${person}`) }).click();
  await page.getByRole('heading', { name: `You are signed in as ${person}` }).waitFor();
  await page.screenshot({ path: path.join(folder, 'signed-in.png') });
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download kubeconfig' }).click()]);
  const file = path.join(folder, download.suggestedFilename());
  await download.saveAs(file);
  await page.goto(`${url}/device`);
  await page.screenshot({ path: path.join(folder, 'device.png') });
  await page.goto(url);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('link', { name: /^Sign in with/ }).waitFor();
  console.log(JSON.stringify({ file, problems, title: await page.title() }));
} finally {
  await browser.close();
}
