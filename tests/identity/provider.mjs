// A certified OpenID provider (npm `oidc-provider`), for one client.
//
// node provider.mjs MODULES: prints its issuer, reads the client's base URL from standard input, then serves and
// prints `ready`. Whoever signs in is called as they say; `alice` is in the group `oncall`, others are in `sales`.
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { default: Provider } = await import(pathToFileURL(join(process.argv[2], 'oidc-provider/lib/index.js')));

const server = createServer().listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(issuer);
  createInterface({ input: process.stdin }).once('line', (base) => {
    const provider = new Provider(issuer, {
      clients: [{
        client_id: 'holdpoint',
        client_secret: 'se:cret /+%',
        redirect_uris: [`${base}/login/callback`],
        post_logout_redirect_uris: [`${base}/login`],
        backchannel_logout_uri: `${base}/logout/backchannel`,
        backchannel_logout_session_required: true,
      }],
      scopes: ['openid', 'groups'],
      claims: { openid: ['sub'], profile: ['name'], groups: ['groups'] },
      features: { backchannelLogout: { enabled: true } },
      // The provider's own would not call this machine.
      fetch: (url, { dispatcher, ...options }) => fetch(url, options),
      cookies: { keys: ['only for tests'] },
      findAccount: async (_, id) => ({
        accountId: id,
        claims: async () => ({ sub: id, name: `${id} of the provider`, groups: [id === 'alice' ? 'oncall' : 'sales'] }),
      }),
    });
    provider.on('backchannel.error', (_, error) => console.error('backchannel.error', error));
    provider.on('server_error', (_, error) => console.error('server_error', error));
    server.on('request', provider.callback());
    console.log('ready');
  });
});
process.stdin.on('close', () => process.exit()); // the test is over
