import { ILabShell, ILayoutRestorer, type JupyterFrontEnd, type JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Api } from './api';
import { Commands } from './commands';
import { allotmentIcon } from './icons';
import { homePage } from './links';
import { AllotmentModel } from './model';
import { notify } from './notices';
import { AllotmentPanel } from './panel';
import { ProposingForm } from './proposing';
import { StatusItem } from './status';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'jupyterlab-allotment:plugin',
  description: 'The profile that runs, and proposals, in the side panel.',
  autoStart: true,
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, ILauncher, IStatusBar, ISettingRegistry, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    statusBar: IStatusBar | null,
    registry: ISettingRegistry | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('jupyterlab_allotment');
    const model = new AllotmentModel(new Api(app.serviceManager.serverSettings));
    const panel = new AllotmentPanel(model, app.commands, trans);
    app.shell.add(panel, 'left', { rank: 550, type: 'Allotment' });
    restorer?.add(panel, panel.id);

    app.commands.addCommand(Commands.open, {
      label: trans.__('Show my profile and proposals'),
      caption: trans.__('Open Allotment’s panel'),
      icon: allotmentIcon,
      execute: () => app.shell.activateById(panel.id)
    });
    const openForm = (running: boolean) => {
      if (model.session?.details) {
        const widget = new MainAreaWidget({ content: new ProposingForm(model, model.session, running, trans) });
        // The middle of Notebook 7 holds its notebook alone.
        app.shell.add(widget, labShell ? 'main' : 'right', { type: 'Allotment' });
        app.shell.activateById(widget.id);
      }
    };
    app.commands.addCommand(Commands.propose, {
      label: trans.__('Propose a change of my profile'),
      icon: allotmentIcon,
      isEnabled: () => Boolean(model.session?.details),
      execute: () => openForm(false)
    });
    app.commands.addCommand(Commands.proposeRunning, {
      label: trans.__('Propose what I am running'),
      caption: trans.__('Propose with limits by what this session used, and with the packages that you added as evidence'),
      icon: allotmentIcon,
      isEnabled: () => Boolean(model.session?.details),
      execute: () => openForm(true)
    });
    app.commands.addCommand(Commands.refresh, {
      label: trans.__('Ask the service again'),
      execute: () => model.refresh()
    });
    app.commands.addCommand(Commands.hub, {
      label: trans.__('Open the hub’s page'),
      isEnabled: () => homePage(model.session?.hub ?? '') !== null,
      execute: () => {
        window.open(homePage(model.session?.hub ?? '') ?? undefined, '_blank', 'noopener');
      }
    });
    // In a server that Allotment did not start, only the panel is there, and says so.
    const offer = () => {
      if (model.session?.inside) {
        model.changed.disconnect(offer);
        const category = trans.__('Allotment');
        Object.values(Commands).forEach(command => palette?.addItem({ command, category }));
        launcher?.add({ command: Commands.propose, category: trans.__('Other'), rank: 10 });
      }
    };
    model.changed.connect(offer);
    model.changed.connect(() => app.commands.notifyCommandChanged());
    const options = { statusItem: true, notifications: true };
    const read = (settings: ISettingRegistry.ISettings) => {
      model.setInterval(settings.composite.pollSeconds as number);
      options.statusItem = settings.composite.statusItem as boolean;
      options.notifications = settings.composite.notifications as boolean;
      item.setHidden(!options.statusItem);
    };
    const item = new StatusItem(model, trans, () => void app.commands.execute(Commands.open));
    statusBar?.registerStatusItem(plugin.id, { item, align: 'left', rank: 100 });
    notify(model, app.commands, trans, () => options.notifications);
    const begin = async () => {
      try {
        const settings = await registry?.load(plugin.id);
        if (settings) {
          read(settings);
          settings.changed.connect(read);
        }
      } catch (error) {
        console.warn('Allotment’s settings could not be read; their defaults are used.', error);
      }
      await model.start();
    };
    void begin();
  }
};

export default plugin;
