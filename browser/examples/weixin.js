// A page of a WeChat mini-program, after `npm install vital-socket` and the tools'
// "Build npm".
const { Vital } = require('vital-socket');

Page({
  data: { status: 'connecting', verdict: '', message: '' },

  onLoad() {
    this.vital = new Vital('wss://example.org/chat');
    this.vital.onopen = () => this.setData({ status: 'open' });
    this.vital.onhealth = ({ health }) => this.setData({ status: health });
    this.vital.onmessage = ({ data }) => this.setData({ message: data });
    this.vital.onverdict = ({ verdict }) => this.setData({ status: 'away', verdict: verdict.text });
  },

  hello() {
    this.vital.send('hello');
  },

  onUnload() {
    this.vital.close(); // five sockets at most: give it back
  },
});
